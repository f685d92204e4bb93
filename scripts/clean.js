// Removes what `npm run build` makes, before it: two builds write to dist side by side.
import { rmSync } from 'node:fs';

rmSync(new URL('../dist', import.meta.url), { recursive: true, force: true });

import { unavailable } from '../unavailable.browser.js';

/** A folder that holds a run. */
export class RunFolder {
  readonly model: string;
  readonly checkpoint: string;

  constructor(readonly path: string) {
    this.model = `${path}/model`;
    this.checkpoint = `${path}/checkpoint/last.safetensors`;
    throw unavailable('trainer', `outputDir (${path})`);
  }

  async holds(): Promise<string | undefined> {
    return undefined;
  }

  async start(): Promise<void> {}

  async canResume(): Promise<boolean> {
    return false;
  }

  async recover(): Promise<void> {}

  get historyLines(): number {
    return 0;
  }

  async appendHistory(_record: unknown): Promise<void> {}

  async cutHistory(_lines: number): Promise<void> {}

  async writeJson(_name: string, _value: unknown): Promise<void> {}
}

import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

interface Finding {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly target: readonly string[] }[];
}

interface Findings {
  readonly violations: readonly Finding[];
  /** What axe cannot tell. */
  readonly incomplete: readonly Finding[];
}

/** The least contrast of text and its ground (WCAG 2, 1.4.3). */
const leastContrast = 4.5;

/**
 * What axe finds wrong with a page, and what it cannot tell, but for the contrast of text in charts, which it takes for
 * images, on bars, which are gradients, and where a table has to be scrolled to: that is measured.
 */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  await page.addScriptTag({ path: createRequire(import.meta.url).resolve('axe-core/axe.min.js') });
  const { violations, incomplete } = await page.evaluate(() => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<Findings> } };
    return axe.run();
  });
  const faults = violations.map(({ id, nodes }) => `${id}: ${nodes[0]!.html}`);
  for (const { id, nodes } of incomplete) {
    for (const { html, target } of nodes) {
      const contrast = id === 'color-contrast' ? await contrastOf(page, target[0]!) : 0;
      if (contrast < leastContrast) faults.push(`${id} (${contrast.toFixed(2)}): ${html}`);
    }
  }
  return faults;
}

/** The least contrast of a text with what it lies on: colours, or both colours of a bar; 0 where it lies on something else. */
function contrastOf(page: Page, selector: string): Promise<number> {
  return page.evaluate((found) => {
    const pen = document.createElement('canvas').getContext('2d')!;
    const luminance = (layers: readonly string[]): number => {
      for (const layer of layers) {
        pen.fillStyle = layer;
        pen.fillRect(0, 0, 1, 1);
      }
      const [r, g, b] = [...pen.getImageData(0, 0, 1, 1).data].map((value) => {
        const share = value / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
    };
    const element = document.querySelector(found)!;
    const { fill, color, backgroundImage } = getComputedStyle(element);
    const below: string[] = [];
    for (let at: Element | null = element; at !== null; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (style.backgroundImage !== 'none' && at !== element) return 0;
      below.unshift(style.backgroundColor);
    }
    const stops = backgroundImage.match(/(?:rgba?|color)\([^)]*\)/g) ?? [];
    if (stops.length !== (element.matches('.bar') ? 2 : 0)) return 0;
    const grounds = stops.length === 0 ? [below] : stops.map((stop) => [...below, stop]);
    const ratios = grounds.map((ground) => {
      const ink = element.matches('svg text') ? fill : color;
      const [a, b] = [luminance([...ground, ink]), luminance(ground)];
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    });
    return Math.min(...ratios);
  }, selector);
}

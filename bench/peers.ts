import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

/** What a side of a bench answers to one line. */
export type Answer = Readonly<Record<string, number | string>>;

/** A process that is asked for one thing at a time, so that two of them can be measured in turn. */
export class Peer {
  readonly #lines: AsyncIterator<string>;

  private constructor(
    private readonly child: ChildProcess,
    readonly name: string,
    lines: AsyncIterator<string>,
  ) {
    this.#lines = lines;
  }

  /** Starts a command, whose first line says who it is. */
  static async start(command: string, args: readonly string[]): Promise<Peer> {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    child.on('error', (error) => {
      throw new Error(`bench: ${command} cannot be started: ${error.message}`);
    });
    const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
    const { name } = await nextLine(command, lines);
    return new Peer(child, String(name), lines);
  }

  ask(question: string): Promise<Answer> {
    this.child.stdin!.write(`${question}\n`);
    return nextLine(this.name, this.#lines);
  }

  stop(): void {
    this.child.stdin!.end();
  }
}

async function nextLine(name: string, lines: AsyncIterator<string>): Promise<Answer> {
  const { value, done } = await lines.next();
  if (done === true) throw new Error(`bench: ${name} ended without an answer`);
  return JSON.parse(value) as Answer;
}

/** Answers each line of stdin until it ends: the other side of {@link Peer}. */
export async function answer(
  name: string,
  reply: (question: string) => Promise<Answer>,
): Promise<void> {
  process.stdout.write(`${JSON.stringify({ name })}\n`);
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await reply(line))}\n`);
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Where a command writes. Results go to `out`, all that is said on the way goes to `say`. */
export interface Terminal {
  /** Writes a line to stdout: what the command was asked for. */
  out(line: string): void;
  /** Writes a line to stderr: progress, notes, errors. */
  say(line: string): void;
  /** Whether stderr is a terminal that a progress bar can be drawn on. */
  readonly interactive: boolean;
}

/** Exit codes, as shells know them. */
export const exitCodes = { ok: 0, failure: 1, usage: 2, interrupted: 130 } as const;

/** The same terminal for a command whose stdout is JSON: what was for people goes to stderr. */
export function quietTerminal(terminal: Terminal): Terminal {
  return { ...terminal, out: (line) => terminal.say(line) };
}

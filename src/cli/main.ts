#!/usr/bin/env node
import { onInterrupt } from './interrupt.js';
import { runProgram } from './program.js';
import type { Terminal } from './terminal.js';
import { version } from '../version.node.js';

const terminal: Terminal = {
  out: (line) => void process.stdout.write(`${line}\n`),
  say: (line) => void process.stderr.write(`${line}\n`),
  interactive: process.stderr.isTTY === true,
};

// A reader that leaves early (`| head`) is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
});

const signal = onInterrupt(process, terminal);
// The code is set rather than exited with: what was written to a pipe must get through.
process.exitCode = await runProgram(process.argv.slice(2), {
  terminal,
  signal,
  version: version(),
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defineCommand } from '../../src/cli/command.js';
import { commandHelp, programHelp } from '../../src/cli/help.js';
import { nearest } from '../../src/nearest.js';
import { choice, flag, integer, number, optionName, text } from '../../src/cli/options.js';
import { parseCommand } from '../../src/cli/parse.node.js';
import { commands } from '../../src/cli/program.js';
import { table } from '../../src/cli/table.js';
import { bertresnet } from './workspace.js';

const command = defineCommand({
  name: 'sow',
  summary: 'Sow a field',
  positionals: [
    { name: 'FIELD', help: 'which field' },
    { name: 'SEED', help: 'which seed', optional: true },
  ],
  options: {
    rowCount: integer('How many rows'),
    spacing: number('How far apart', 0, 2),
    order: choice(['forth', 'back'], 'In which order'),
    label: text('WORD', 'What the sign says'),
    dry: flag('Only say what would be done'),
  },
  examples: ['sow north --row-count 3'],
  run: () => Promise.resolve(0),
});

describe('parseCommand', () => {
  it('reads values by their kind, in either notation', () => {
    const words = ['north', '--row-count', '3', '--spacing=.5', '--order', 'back', '--dry', 'oats'];
    const { positionals, options } = parseCommand(command, words);
    expect(positionals).toEqual(['north', 'oats']);
    expect(options).toEqual({ rowCount: 3, spacing: 0.5, order: 'back', dry: true });
  });

  it('keeps what looks like a number but is a name', () => {
    const { positionals, options } = parseCommand(command, ['007', '--label', '1e3']);
    expect(positionals).toEqual(['007']);
    expect(options).toEqual({ label: '1e3' });
  });

  it('takes a value that begins with a dash behind an equals sign, and words behind two dashes', () => {
    const { positionals, options } = parseCommand(command, ['--label=-x', '--', '--dry']);
    expect(positionals).toEqual(['--dry']);
    expect(options).toEqual({ label: '-x' });
  });

  it.each([
    [['north', '--row-cuont', '3'], /unknown option --row-cuont; did you mean --row-count\?/],
    [['north', '-x'], /unknown option -x/],
    [['north', '--row-count'], /--row-count needs a value \(N\)/],
    [['north', '--label', '--dry'], /--label needs a value \(WORD\)/],
    [['north', '--label='], /--label needs a value, got an empty one/],
    [['north', '--row-count', '0'], /a whole number of at least 1, got '0'/],
    [['north', '--row-count', '1.5'], /a whole number of at least 1, got '1.5'/],
    [['north', '--spacing', '3'], /a number from 0 to 2, got '3'/],
    [['north', '--spacing', 'NaN'], /a number from 0 to 2, got 'NaN'/],
    [['north', '--order', 'sideways'], /one of forth, back; got 'sideways'/],
    [['north', '--dry=yes'], /--dry takes no value, got 'yes'/],
    [['north', '--label', 'a', '--label', 'b'], /--label is given twice \('a' and 'b'\)/],
    [[], /FIELD is missing \(which field\)/],
    [['north', 'oats', 'rye'], /takes FIELD and SEED, got also 'rye'/],
  ])('refuses %j', (words, message) => {
    expect(() => parseCommand(command, words)).toThrow(message);
  });

  it('asks for nothing where help is wanted', () => {
    expect(parseCommand(command, ['--help']).common.help).toBe(true);
    expect(parseCommand(command, ['-h']).common.help).toBe(true);
  });
});

describe('nearest', () => {
  it.each([
    ['tarin', 'train'],
    ['evalute', 'evaluate'],
    ['predcit', 'predict'],
    ['zzz', undefined],
  ])('%s is taken for %s', (word, meant) => {
    expect(nearest(word, ['train', 'evaluate', 'predict', 'inspect'])).toBe(meant);
  });

  it('finds a word that is known, whatever the others', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ minLength: 1, maxLength: 8 }), { minLength: 1 }),
        (words) => {
          const word = words.at(-1)!;
          expect(nearest(word, words)).toBe(word);
        },
      ),
    );
  });
});

describe('help', () => {
  it.each(commands.map((one) => [one.name, one] as const))('of %s names every option', (_, one) => {
    const help = commandHelp(one);
    for (const key of Object.keys(one.options)) expect(help).toContain(`--${optionName(key)}`);
    for (const line of help.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
    expect(help).not.toContain('\n\n\n');
  });

  it('of the program fits as well', () => {
    const lines = programHelp(commands, '10.10.10').split('\n');
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80);
  });

  it('wraps what a command does, and splits an example so that a shell takes it', () => {
    const summary = `Sow a field${' and another'.repeat(8)}`;
    const example = `sow north --row-count 3 --label ${'a'.repeat(30)} --spacing 2 --order back`;
    const help = commandHelp({ ...command, summary, examples: [example] });
    for (const line of help.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
    expect(help.replaceAll('\n', ' ')).toContain(`${summary}.`);
    expect(help).toContain(' \\\n      --');
    expect(help.replaceAll(/ \\\n +/g, ' ')).toContain(`\n  bertresnet ${example}`);
  });

  it.each(commands.map((one) => [one.name, one] as const))(
    'of %s has examples that parse',
    (_, one) => {
      expect(one.examples.length).toBeGreaterThan(0);
      for (const example of one.examples) {
        const [name, ...words] = example.split(' ');
        expect(name).toBe(one.name);
        expect(() => parseCommand(one, words)).not.toThrow();
      }
    },
  );
});

describe('the program', () => {
  it('says its version', async () => {
    expect(await bertresnet(['--version'])).toEqual({ code: 0, stdout: '0.0.0', stderr: '' });
  });

  it('shows help on stdout when asked, on stderr when nothing was', async () => {
    const asked = await bertresnet(['--help']);
    expect(asked.code).toBe(0);
    expect(asked.stdout).toContain('bertresnet COMMAND [options]');
    const bare = await bertresnet([]);
    expect(bare).toEqual({ code: 2, stdout: '', stderr: asked.stdout });
  });

  it('shows the help of a command in three ways', async () => {
    const { stdout } = await bertresnet(['help', 'predict']);
    expect(stdout).toContain('Usage: bertresnet predict RUN CSV [options]');
    expect((await bertresnet(['predict', '--help'])).stdout).toBe(stdout);
    expect((await bertresnet(['predict', '-h'])).stdout).toBe(stdout);
  });

  it.each([
    [['trian'], /unknown command 'trian'; did you mean train\?/],
    [['deploy'], /unknown command 'deploy'/],
    [['--verison'], /unknown option '--verison'/],
    [
      ['evaluate', 'run', 'rows.csv', '--moed', 'text'],
      /unknown option --moed; did you mean --mode\?/,
    ],
    [
      ['evaluate', 'run', 'rows.csv', '--mode', 'img'],
      /--mode is one of text, image, both, all; got 'img'/,
    ],
    [
      ['train', '--backend', 'cuda', 'rows.csv'],
      /--backend is one of auto, onnxruntime, .*got 'cuda'/,
    ],
  ])('refuses %j with code 2 and one line', async (words, message) => {
    const { code, stdout, stderr } = await bertresnet(words);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(message);
    expect(stderr.split('\n')).toHaveLength(1);
  });

  it('shows the stack where it is asked to', async () => {
    const { code, stderr } = await bertresnet(['evaluate', 'nowhere', 'rows.csv', '--debug']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/\n {4}at /);
    const before = await bertresnet(['--debug', 'evaluate', 'nowhere', 'rows.csv']);
    expect(before.code).toBe(2);
    expect(before.stderr).toMatch(/evaluate: nowhere does not exist.*\n {4}at /);
    expect((await bertresnet(['--debug', '--version'])).stdout).toBe('0.0.0');
  });
});

describe('table', () => {
  it('lines up figures to the right', () => {
    expect(
      table([
        ['mode', 'rows'],
        ['text', '7'],
      ]),
    ).toEqual(['  mode  rows', '  text     7']);
  });
});

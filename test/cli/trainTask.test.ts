import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseCommand } from '../../src/cli/parse.node.js';
import { trainCommand } from '../../src/cli/train.js';
import { newTask, recordOf, resumedTask, trainerOptions } from '../../src/cli/trainTask.node.js';

describe('--gradient-checkpointing', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'task-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('reaches the trainer', async () => {
    const { options } = parseCommand(trainCommand, ['rows.csv', '--gradient-checkpointing']);
    const task = await newTask('rows.csv', options);
    expect(await trainerOptions(task)).toMatchObject({ gradientCheckpointing: true });
    const plain = await newTask('rows.csv', {});
    expect(await trainerOptions(plain)).not.toHaveProperty('gradientCheckpointing');
  });

  it('may be given to a run that began without', async () => {
    const rows = join(folder, 'rows.csv');
    await writeFile(rows, 'text,label\n');
    const begun = await newTask(rows, { out: folder, epochs: 3 });
    await writeFile(
      join(folder, 'config.json'),
      JSON.stringify({ command: await recordOf(begun) }),
    );
    const task = await resumedTask(undefined, { resume: folder, gradientCheckpointing: true });
    expect(task.values).toEqual({ epochs: 3, gradientCheckpointing: true });
    await expect(resumedTask(undefined, { resume: folder, epochs: 4 })).rejects.toThrow(/--epochs/);
  });
});

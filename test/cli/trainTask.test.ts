import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseCommand } from '../../src/cli/parse.node.js';
import { trainCommand } from '../../src/cli/train.js';
import { newTask, recordOf, resumedTask, trainerOptions } from '../../src/cli/trainTask.node.js';

const toldOf = async (line: string) => {
  const { options } = parseCommand(trainCommand, ['rows.csv', ...line.split(' ')]);
  return trainerOptions(await newTask('rows.csv', options));
};

describe('what the trainer is told', () => {
  it('of freezing', async () => {
    expect(await toldOf('--freeze image')).toMatchObject({ freeze: { text: false, image: true } });
    const partly = await toldOf('--freeze both --freeze-epochs 2 --freeze-parameters a.*,*.b');
    expect(partly).toMatchObject({ freeze: { text: 2, image: 2, parameters: ['a.*', '*.b'] } });
    expect(await toldOf('--unfreeze 1')).toMatchObject({ gradualUnfreezing: 1 });
    expect(await toldOf('--epochs 2')).not.toHaveProperty('freeze');
  });

  it('of the loss, the average and the end', async () => {
    expect(await toldOf('--class-weights balanced --focal 2 --layer-decay 0.9')).toMatchObject({
      ...{ classWeights: 'balanced', focalGamma: 2, layerDecay: 0.9 },
    });
    expect(await toldOf('--class-weights good=1,a=b=2.5')).toMatchObject({
      classWeights: { good: 1, 'a=b': 2.5 },
    });
    await expect(toldOf('--class-weights good')).rejects.toThrow("got 'good'");
    await expect(toldOf('--class-weights good=-1')).rejects.toThrow('above 0');
    expect(await toldOf('--ema 0.99 --soup 3 --patience 2')).toMatchObject({
      ...{ ema: 0.99, soup: 3, earlyStopping: { patience: 2 } },
    });
  });
});

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

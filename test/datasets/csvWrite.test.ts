import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { parse } from 'csv-parse/sync';
import { describe, expect, it } from 'vitest';
import { formatRecord, writeCsv } from '../../src/datasets/csvWrite.js';
import { folderWith } from './csvFolder.js';

describe('formatRecord', () => {
  it('quotes what needs quotes', () => {
    expect(formatRecord(['a', 'b c', 'd,e', 'say "f"', 'g\nh', 'i\rj', '', null, undefined])).toBe(
      'a,b c,"d,e","say ""f""","g\nh","i\rj",,,\n',
    );
    expect(formatRecord([''])).toBe('""\n');
    expect(formatRecord(['a;b', 'c,d'], { delimiter: ';' })).toBe('"a;b";c,d\n');
  });

  it('keeps a text that would be a formula a text', () => {
    const cells = ['=1+1', '+a', '-a', '@user hello', '\tx', '\rx', '＝1', '=a,"b"'];
    expect(formatRecord(cells)).toBe(`'=1+1,'+a,'-a,'@user hello,'\tx,"'\rx",'＝1,"'=a,""b"""\n`);
    expect(formatRecord(['=1+1'], { escapeFormulas: false })).toBe('=1+1\n');
  });

  it('keeps numbers numbers', () => {
    expect(formatRecord([-0.5, 1e-7, 3n, true, '-0.5', '+1', '-1e-7', '-.5'])).toBe(
      '-0.5,1e-7,3,true,-0.5,+1,-1e-7,-.5\n',
    );
    expect(formatRecord(['-1-1', '+1+cmd', '-', '-0x1'])).toBe("'-1-1,'+1+cmd,'-,'-0x1\n");
  });

  it('is read back as it was by another reader', () => {
    const cell = fc.string({
      unit: fc.constantFrom('"', ',', '\n', '\r', 'a', ' ', '=', '-', '1', 'é'),
    });
    fc.assert(
      fc.property(fc.array(cell, { minLength: 1 }), (cells) => {
        const line = formatRecord(cells);
        const [read] = parse(line, { record_delimiter: '\n' }) as string[][];
        expect(read!.map((text, i) => (text === `'${cells[i]}` ? cells[i] : text))).toEqual(cells);
        expect(
          read!.filter((text) => /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text))),
        ).toEqual([]);
      }),
    );
  });
});

describe('writeCsv', () => {
  it('writes rows as they are made, without a byte order mark', async () => {
    const folder = folderWith({});
    async function* rows() {
      for (let i = 0; i < 5000; i++) yield [i, `tëxt ${i}`];
    }
    await writeCsv(join(folder, 'out.csv'), ['id', 'text'], rows());
    const bytes = readFileSync(join(folder, 'out.csv'));
    expect(bytes.subarray(0, 8).toString()).toBe('id,text\n');
    expect(bytes.toString().split('\n')).toHaveLength(5002);
    expect(bytes.toString().trimEnd().endsWith('4999,tëxt 4999')).toBe(true);
    expect(readdirSync(folder)).toEqual(['out.csv']);
  });

  it('leaves what was there when it fails', async () => {
    const folder = folderWith({ 'out.csv': 'old' });
    function* rows() {
      yield ['a'];
      throw new Error('no more');
    }
    await expect(writeCsv(join(folder, 'out.csv'), ['x'], rows())).rejects.toThrow('no more');
    await expect(writeCsv(join(folder, 'out.csv'), ['x'], [['a', 'b']])).rejects.toThrow(
      '2 cells under 1 columns',
    );
    expect(readFileSync(join(folder, 'out.csv'), 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['out.csv']);
  });
});

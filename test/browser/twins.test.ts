import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { browserTwin } from '../../scripts/browserTwins.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const source = join(root, 'src');

/** The options of tsconfig.json. */
function compilerOptions(): ts.CompilerOptions {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  return ts.parseJsonConfigFileContent(config, ts.sys, root).options;
}

/** A program in which every `x.node.ts` is its twin for browsers, and that knows nothing of Node. */
function browserProgram(entries: readonly string[]): ts.Program {
  const options = { ...compilerOptions(), types: [] };
  const host = ts.createCompilerHost(options);
  host.resolveModuleNameLiterals = (literals, importer) =>
    literals.map(({ text }) => {
      const twin = importer.startsWith(source) ? browserTwin(text, importer) : undefined;
      if (twin === undefined) return ts.resolveModuleName(text, importer, options, host);
      return { resolvedModule: { resolvedFileName: twin, extension: ts.Extension.Ts } };
    });
  return ts.createProgram({ rootNames: [...entries], options, host });
}

function messagesOf(program: ts.Program): string[] {
  return ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const line = file && ts.getLineAndCharacterOfPosition(file, start!).line + 1;
    const place = file && `${relative(root, file.fileName)}:${line}`;
    return `${place}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}

/** The exports of a file and, for classes, their public members, each with its types. */
function interfaceOf(checker: ts.TypeChecker, file: ts.SourceFile): Record<string, string> {
  const described: Record<string, string> = {};
  const textOf = (type: ts.Type): string =>
    checker.typeToString(type, undefined, ts.TypeFormatFlags.NoTruncation);
  const describeValue = (symbol: ts.Symbol): string => {
    const type = checker.getTypeOfSymbol(symbol);
    const signatures = type.getCallSignatures().map((signature) => {
      const parameters = signature.parameters.map((one) => textOf(checker.getTypeOfSymbol(one)));
      return `(${parameters.join(', ')}) => ${textOf(signature.getReturnType())}`;
    });
    return signatures.length === 0 ? textOf(type) : signatures.join('; ');
  };
  for (const symbol of checker.getExportsOfModule(checker.getSymbolAtLocation(file)!)) {
    if ((symbol.flags & ts.SymbolFlags.Value) === 0) continue;
    described[symbol.name] = describeValue(symbol);
    if ((symbol.flags & ts.SymbolFlags.Class) === 0) continue;
    const members = [
      ...checker.getDeclaredTypeOfSymbol(symbol).getProperties(),
      ...checker.getTypeOfSymbol(symbol).getProperties(),
    ];
    for (const member of members.filter(isPublic))
      described[`${symbol.name}.${member.name}`] = describeValue(member);
  }
  return described;
}

function isPublic({ name, valueDeclaration }: ts.Symbol): boolean {
  return (
    !name.startsWith('#') &&
    valueDeclaration !== undefined &&
    (ts.getCombinedModifierFlags(valueDeclaration) &
      ts.ModifierFlags.NonPublicAccessibilityModifier) ===
      0
  );
}

const twins = (readdirSync(source, { recursive: true }) as string[])
  .filter((name) => name.endsWith('.browser.ts'))
  .map((name) => [name.replace('.browser.ts', '.node.ts'), name] as const)
  .filter(([node]) => ts.sys.fileExists(join(source, node)))
  // What a worker runs exports nothing: it is not imported, but started.
  .filter(([node]) => !node.endsWith('Worker.node.ts'));

describe('the files for browsers', () => {
  it('type-check as a whole, without anything of Node', () => {
    const program = browserProgram(
      ['index.ts', 'onnxruntime.ts'].map((name) => join(source, name)),
    );
    const names = program.getSourceFiles().map(({ fileName }) => fileName);
    expect(names.filter((name) => name.endsWith('.node.ts'))).toEqual([]);
    expect(messagesOf(program)).toEqual([]);
  }, 180_000);

  const program = ts.createProgram(
    twins.flat().map((name) => join(source, name)),
    compilerOptions(),
  );
  it.each(twins)('offer what %s does', (node, browser) => {
    const [expected, actual] = [node, browser].map((name) =>
      interfaceOf(program.getTypeChecker(), program.getSourceFile(join(source, name))!),
    );
    expect(Object.keys(expected!).length).toBeGreaterThan(0);
    expect(actual).toEqual(expected);
  });
});

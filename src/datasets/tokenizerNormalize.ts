/**
 * BERT's text clean-up and word splitting, as the `tokenizers` library does them.
 *
 * `@huggingface/tokenizers` 0.2 differs from that library in three ways that change ids, so these
 * two steps are ours and the package does the rest: its character classes are the JavaScript
 * engine's newer Unicode, it sees ideographs outside the basic plane as two halves, and it
 * lowercases a sigma by its context.
 */
import { ideographs, marks, punctuation, removed, whitespace } from './tokenizerUnicode.js';

/** The `BertNormalizer` of a tokenizer.json, in camelCase. */
export interface BertNormalizerOptions {
  /** Remove control characters and U+FFFD, and make every white space a blank. */
  readonly cleanText: boolean;
  /** Put blanks around every CJK ideograph. */
  readonly handleChineseChars: boolean;
  /** Remove combining marks; null: where the text is lowercased. */
  readonly stripAccents: boolean | null;
  readonly lowercase: boolean;
}

// Most text is plain ASCII, for which short expressions do the same, faster.
const plainText = /^[\t\n\r\x20-\x7e]*$/;
const plainSpace = /[\t\n\r]/g;
const plainWords = /[0-9A-Za-z]+|[!-/:-@[-`{-~]/g;

/** A function that normalises one text as `tokenizers.normalizers.BertNormalizer` does. */
export function bertNormalizer(options: BertNormalizerOptions): (text: string) => string {
  const classes = patterns();
  const strip = options.stripAccents ?? options.lowercase;
  return (text) => {
    if (plainText.test(text)) return plain(text, options);
    let result = text;
    if (options.cleanText) {
      result = result.replace(classes.removed, '').replace(classes.whitespace, ' ');
    }
    if (options.handleChineseChars) result = result.replace(classes.ideographs, ' $& ');
    if (strip) result = result.normalize('NFD').replace(classes.marks, '');
    return options.lowercase ? lowercase(result) : result;
  };
}

function plain(text: string, { cleanText, lowercase: lower }: BertNormalizerOptions): string {
  const clean = cleanText ? text.replace(plainSpace, ' ') : text;
  return lower ? clean.toLowerCase() : clean;
}

/** The words of a normalised text, as `tokenizers.pre_tokenizers.BertPreTokenizer` finds them. */
export function bertWords(text: string): string[] {
  return text.match(plainText.test(text) ? plainWords : patterns().words) ?? [];
}

// JavaScript alone makes a sigma at the end of a word final (ς).
function lowercase(text: string): string {
  return text.replaceAll('Σ', 'σ').toLowerCase();
}

interface Patterns {
  readonly removed: RegExp;
  readonly whitespace: RegExp;
  readonly ideographs: RegExp;
  readonly marks: RegExp;
  readonly words: RegExp;
}

let compiled: Patterns | undefined;

function patterns(): Patterns {
  compiled ??= {
    removed: pattern(`[${members(removed)}]+`),
    whitespace: pattern(`[${members(whitespace)}]`),
    ideographs: pattern(`[${members(ideographs)}]`),
    marks: pattern(`[${members(marks)}]+`),
    words: pattern(`[^${members(whitespace)}${members(punctuation)}]+|[${members(punctuation)}]`),
  };
  return compiled;
}

function pattern(source: string): RegExp {
  return new RegExp(source, 'gu');
}

/** The members of a regular expression's class: `20 41-5a` is `\u{20}\u{41}-\u{5a}`. */
function members(ranges: string): string {
  return ranges.replace(/[0-9a-f]+/g, '\\u{$&}').replaceAll(' ', '');
}

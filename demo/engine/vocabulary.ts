import { BertTokenizer } from 'bertresnet';

const printable = /^(##)?[!-~]$/;
const special = /^\[[A-Z]+\]$/;

/**
 * A tokenizer over those word pieces of a vocabulary that some texts consist of, and over single characters, of which
 * every other word can be made. An embedding of what never occurs would be learnt by no row, and be most of the model.
 */
export async function tokenizerFor(
  texts: readonly string[],
  vocabulary: readonly string[],
  maxLength: number,
): Promise<BertTokenizer> {
  const whole = await BertTokenizer.fromVocab(vocabulary);
  const used = new Set<number>();
  for (const text of texts) for (const id of whole.encodeHost([text]).inputIds) used.add(id);
  const kept = vocabulary.filter(
    (token, id) => used.has(id) || special.test(token) || printable.test(token),
  );
  return BertTokenizer.fromVocab(kept, { maxLength });
}

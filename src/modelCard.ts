import type { BertResNetModel } from './model.js';

/** The README.md of a saved model: what it answers, what it is made of, and how to run it. */
export function modelCard(model: BertResNetModel): string {
  const { labels, text, image, fusion } = model.config;
  return `---
library_name: bertresnet
tags: [bert, resnet, multimodal, text, image, classification]
---

# A classifier of text and image

It reads a text, an image or both, and answers one of ${labels.length} labels:

${labels.map((label) => `- ${code(label)}`).join('\n')}

| part | what |
|---|---|
| text encoder | ${code(text.modelType)}, ${model.textEncoder.featureSize} features |
| image encoder | ${code(image.modelType)}, ${model.visualEncoder.featureSize} features |
| fusion | ${code(fusion.type)} |
| parameters | ${parameterCount(model)} |

\`\`\`js
import { BertResNetModel } from 'bertresnet';

const model = await BertResNetModel.fromPretrained('path/to/this/folder');
const [answer] = await model.predict([{ text: '...', image: 'picture.jpg' }]);
\`\`\`

\`model.safetensors\` holds the weights under PyTorch's names and in PyTorch's layouts.
`;
}

/** Text from outside as Markdown code: on one line, and with no mark that could end it. */
function code(text: string): string {
  return `\`${text.replace(/\s+/g, ' ').replaceAll('`', "'").replaceAll('|', '\\|')}\``;
}

function parameterCount(model: BertResNetModel): string {
  const sizes = [...model.namedParameters().values()].map((variable) => variable.size);
  return sizes.reduce((sum, size) => sum + size, 0).toLocaleString('en');
}

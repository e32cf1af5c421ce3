import type { Artifact } from '@vmgpu/core';

/** The artifact as the text of its file, the line on how to apply it on top where the format has comments. */
export async function printArtifact(artifact: Artifact): Promise<string> {
  const { content } = artifact;
  switch (content.format) {
    case 'text':
      return content.comment === undefined
        ? content.text
        : withNote(content.text, content.comment, artifact.apply);
    case 'json':
      return `${JSON.stringify(content.document, null, 2)}\n`;
    case 'yaml': {
      const { stringify } = await import('yaml');
      const documents = content.documents.map((document) =>
        stringify(document, { lineWidth: 0, aliasDuplicateObjects: false }),
      );
      return `# ${artifact.apply}\n${documents.join('---\n')}`;
    }
  }
}

/** A program keeps its `#!` line first. */
function withNote(text: string, comment: string, note: string): string {
  const line = `${comment} ${note}\n`;
  if (!text.startsWith('#!')) return line + text;
  const end = text.indexOf('\n') + 1;
  return text.slice(0, end) + line + text.slice(end);
}

import type { Snapshot } from '@underpass/trace';
import { MAX_SNAPSHOT_CHARACTERS } from './limits.js';

const PREFIX = 'data: ';
const END = '\n\n';

/** Reads server-sent events, each of which is a snapshot, until the stream ends.
 *  @throws if the stream breaks, or a snapshot is too long or no JSON */
export async function readSnapshots(
  stream: ReadableStream<Uint8Array>,
  onSnapshot: (snapshot: Snapshot) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  const reader = stream.getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    for (let end = text.indexOf(END); end >= 0; end = text.indexOf(END)) {
      const event = text.slice(0, end);
      text = text.slice(end + END.length);
      if (event.startsWith(PREFIX)) onSnapshot(JSON.parse(event.slice(PREFIX.length)) as Snapshot);
    }
    if (text.length > MAX_SNAPSHOT_CHARACTERS) throw new Error('a snapshot is too long');
  }
}

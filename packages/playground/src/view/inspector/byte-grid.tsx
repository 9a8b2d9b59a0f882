import type { Signal } from '@preact/signals';
import type { Dissection } from '@underpass/trace';
import { hexadecimal } from '../words.js';

/** How many bytes of one field are shown; the rest of a long payload looks alike. */
const MAX_SHOWN = 96;

/** The bytes in hexadecimal, field by field. The table of fields has the same for screen readers. */
export function ByteGrid({
  bytes,
  dissection,
  field,
}: {
  readonly bytes: Uint8Array;
  readonly dissection: Dissection;
  /** The offset of the field that is pointed at. */
  readonly field: Signal<number | undefined>;
}) {
  return (
    <div class="byte-grid mono" aria-hidden="true" onMouseLeave={() => (field.value = undefined)}>
      {dissection.parts.map((part, i) => (
        <span class={`part part-${i % 2}`} key={i}>
          {part.fields.map(({ offset, length, name, value }) => (
            // biome-ignore lint/a11y/noStaticElementInteractions: pointing only highlights what the table shows
            <span
              key={offset}
              class={field.value === offset ? 'field pointed' : 'field'}
              title={`${name}: ${value}`}
              onMouseEnter={() => (field.value = offset)}
            >
              {Array.from(bytes.subarray(offset, offset + Math.min(length, MAX_SHOWN)), hexadecimal).join(
                ' ',
              )}
              {length > MAX_SHOWN && <i> … {length - MAX_SHOWN} more</i>}{' '}
            </span>
          ))}
        </span>
      ))}
    </div>
  );
}

import type { Signal } from '@preact/signals';
import type { Dissection, Field } from '@underpass/trace';

/** The addresses of the sections of the specification, if they are published beside the playground. */
declare const __SPEC_LINKS__: Readonly<Record<string, string>>;

/** Every field with its value and the section that defines it. Together they cover every byte. */
export function FieldTable({
  dissection,
  field,
}: {
  readonly dissection: Dissection;
  readonly field: Signal<number | undefined>;
}) {
  return (
    <div class="fields">
      {dissection.parts.map((part, i) => (
        <table key={i}>
          <caption>
            <strong>{part.name}</strong> {part.summary !== '' && <span>{part.summary}</span>}
          </caption>
          <thead class="hidden">
            <tr>
              <th>Bytes</th>
              <th>Field</th>
              <th>Value</th>
              <th>Specification</th>
            </tr>
          </thead>
          <tbody>
            {part.fields.map((one) => (
              <tr
                key={one.offset}
                class={field.value === one.offset ? 'pointed' : ''}
                onMouseEnter={() => (field.value = one.offset)}
              >
                <td class="mono">{range(one)}</td>
                <th scope="row">{one.name}</th>
                <td class="value">{one.value}</td>
                <td class="spec">
                  <SpecLink spec={one.spec} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      ))}
      {dissection.problem !== undefined && <p class="hint">{dissection.problem}</p>}
    </div>
  );
}

function range({ offset, length }: Field): string {
  return length === 1 ? String(offset) : `${offset}–${offset + length - 1}`;
}

/** `wire 2.5` is section 2.5 of docs/spec/wire.md. */
export function SpecLink({ spec }: { readonly spec: string }) {
  const link = __SPEC_LINKS__[spec];
  if (link === undefined) return <>{spec}</>;
  return (
    <a href={link} target="_blank" rel="noreferrer">
      {spec}
    </a>
  );
}

import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { EXPERIMENTS } from '../experiments/index.js';
import { captureOf } from '../model/capture.js';
import { KEYS } from './keys.js';
import type { Lab } from './lab.js';
import { Title } from './title.js';

export function Header({ lab }: { readonly lab: Lab }) {
  const help = useRef<HTMLDialogElement>(null);
  return (
    <header>
      <Title page="playground" />
      <label class="picker">
        <span>Experiment</span>
        <select
          value={lab.experiment.value?.name ?? ''}
          onChange={(event) => lab.openExperiment(event.currentTarget.value)}
        >
          <option value="">None: a session of your own</option>
          {EXPERIMENTS.map(({ name, title }, i) => (
            <option key={name} value={name}>
              {i + 1}. {title}
            </option>
          ))}
        </select>
      </label>
      <div class="buttons">
        <ShareButton lab={lab} />
        <button
          type="button"
          title="A file for Wireshark, which opens decrypted"
          onClick={() => saveCapture(lab)}
        >
          Save capture
        </button>
        <button type="button" onClick={() => help.current?.showModal()}>
          Help
        </button>
      </div>
      <dialog ref={help} aria-labelledby="help-title">
        <h2 id="help-title">What this is</h2>
        <p>
          The protocol core of Underpass runs in this page: a client at the left, a relay at the right, and a
          network between them that you control. Time is virtual. Let it run slowly, stop it, and go back.
          Click a datagram to see its bytes, or to drop, delay, change or copy it.
        </p>
        <p>
          A session is a seed and the list of what you did. The address of the page holds both, so a copied
          link shows the same situation to somebody else.
        </p>
        <h3>Keys</h3>
        <dl class="keys">
          {KEYS.map(([key, what]) => (
            <div key={key}>
              <dt>
                <kbd>{key}</kbd>
              </dt>
              <dd>{what}</dd>
            </div>
          ))}
        </dl>
        <form method="dialog">
          <button type="submit" class="primary">
            Close
          </button>
        </form>
      </dialog>
    </header>
  );
}

/** Hands the capture to the browser as a file. */
function saveCapture(lab: Lab): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([captureOf(lab.run)], { type: 'application/octet-stream' }));
  link.download = 'underpass-playground.pcapng';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function ShareButton({ lab }: { readonly lab: Lab }) {
  const isCopied = useSignal(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(lab.address);
      isCopied.value = true;
      lab.spoken.value = 'The link is copied.';
      setTimeout(() => (isCopied.value = false), 2000);
    } catch {
      // Without a clipboard, the address of the page has the same.
      location.href = lab.address;
      lab.problem.value =
        'The browser refused the clipboard. The address of this page is the link: copy it there.';
    }
  };
  return (
    <button type="button" onClick={copy}>
      {isCopied.value ? 'Copied' : 'Copy link'}
    </button>
  );
}

import { render } from 'preact';
import { App } from './view/app.js';
import { Lab } from './view/lab.js';

const root = document.getElementById('app') as HTMLElement;
root.replaceChildren();
render(<App lab={new Lab(window)} />, root);

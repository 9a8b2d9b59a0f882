import { render } from 'preact';
import { Feed } from './feed.js';
import { LiveApp } from './live-app.js';

const root = document.getElementById('app') as HTMLElement;
root.replaceChildren();
render(<LiveApp feed={new Feed(window)} />, root);

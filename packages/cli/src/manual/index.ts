/** The program's manual. scripts/man-pages.mjs writes it into the package. */

import { buildProgram } from '../commands/every-command.js';
import { commandTree } from '../completion/command-tree.js';
import { VERSION } from '../version.js';
import { type ManPage, manPages } from './man-page.js';
import { SECTIONS } from './sections.js';

export function manual(): ManPage[] {
  return manPages(commandTree(buildProgram()), VERSION, SECTIONS);
}

/** The layout of `--help`: it fits into 80 columns, however long an option is. */
import type { HelpConfiguration } from 'commander';

/** The description of a longer term goes below it, not beside it. */
const TERM_COLUMNS = 26;
const DEFAULT_COLUMNS = 80;

export const helpFormat: HelpConfiguration = {
  minWidthToWrap: 20,
  padWidth: () => TERM_COLUMNS,
  formatItem(term, termColumns, description, helper) {
    const indent = ' '.repeat(termColumns + 4);
    const columns = (helper.helpWidth ?? DEFAULT_COLUMNS) - indent.length;
    const text = helper.boxWrap(description, columns).replaceAll('\n', `\n${indent}`);
    const isShort = helper.displayWidth(term) <= termColumns;
    return isShort ? `  ${term.padEnd(termColumns)}  ${text}` : `  ${term}\n${indent}${text}`;
  },
};

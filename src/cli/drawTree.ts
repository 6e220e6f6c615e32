/** A tree drawn with lines, as `tree` does it. */
import treeify from "object-treeify";
import { printStyled } from "./output.ts";

/** Lines, and what is below each; a line comes once only. */
export interface Branch {
	[line: string]: Branch | null;
}

/** @param top the line above all, safe for a terminal as all of them have to be */
export function printTree(top: string, below: Branch): void {
	printStyled(top);
	const lines = treeify(below);
	if (lines) printStyled(lines);
}

/** Draws graphs. */
import { QomfsError } from "../errors.ts";

/**
 * @returns the whole text of an SVG
 * @throws QomfsError it cannot be drawn
 */
export async function drawDot(dot: string): Promise<string> {
	// Only who wants a picture waits until the drawing program is loaded.
	const { instance } = await import("@viz-js/viz");
	try {
		return (await instance()).renderString(dot, { format: "svg" });
	} catch (cause) {
		const reason = cause instanceof Error ? cause.message : `${cause}`;
		throw new QomfsError(
			`Graphviz cannot draw this machine (${reason}); 'qomfs topology --dot' prints the graph`,
			{ cause },
		);
	}
}

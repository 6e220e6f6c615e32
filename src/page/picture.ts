/** Draws graphs. */

/** @returns the whole text of an SVG */
export async function drawDot(dot: string): Promise<string> {
	// Only who wants a picture waits until the drawing program is loaded.
	const { instance } = await import("@viz-js/viz");
	return (await instance()).renderString(dot, { format: "svg" });
}

/** The package brings no types of its own. */
declare module "object-treeify" {
	/** Lines joined by newlines: every key, with what is below it. */
	export default function treeify(
		tree: object,
		options?: {
			readonly keyNeighbour?: string;
			readonly keyNoNeighbour?: string;
			readonly spacerNeighbour?: string;
			readonly spacerNoNeighbour?: string;
		},
	): string;
}

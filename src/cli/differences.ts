/** What every command that compares two machines leaves out, and how it names them. */
import { isWhole, type ObjectDifference } from "../qom/diff/compare.ts";
import type { SnapshotOrigin } from "../qom/snapshot/snapshot.ts";

/** Without what means nothing; undefined if nothing is left. */
export function withoutNoise(
	each: ObjectDifference,
): ObjectDifference | undefined {
	if (isWhole(each)) return each;
	const properties = each.properties.filter(
		({ reason }) => reason === undefined,
	);
	if (properties.length > 0 || each.typeBefore !== undefined)
		return { ...each, properties, change: "changed" };
	return each.from === undefined
		? undefined
		: { ...each, properties, change: "renumbered" };
}

/** For people: what it is, and of when. */
export function originLine({ machine, qemu, time }: SnapshotOrigin): string {
	return [
		machine ?? "no machine",
		...(qemu ? [`QEMU ${qemu.version}`] : []),
		time.replace(/\.\d+Z$/, "Z"),
	].join(", ");
}

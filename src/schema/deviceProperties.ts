/** The properties of a device, which the schema leaves open. */
import { isObject, type Json } from "../json.ts";
import { undescribedReason } from "../qom/guard.ts";
import type { Execute } from "./request.ts";

export interface DeviceProperty {
	readonly name: string;
	readonly type: string;
	readonly description: string | undefined;
	readonly defaultValue: Json | undefined;
}

/**
 * In the order of their names; links and children are left out, for nobody can give them.
 *
 * @throws CommandError there is no such device
 */
export async function deviceProperties(
	execute: Execute,
	driver: string,
): Promise<readonly DeviceProperty[]> {
	// QEMU makes one to answer, and that can end it: which ones depends on its version.
	if (undescribedReason(driver, true) !== undefined) return [];
	const list = await execute("device-list-properties", { typename: driver });
	const properties: DeviceProperty[] = [];
	for (const entry of Array.isArray(list) ? list : []) {
		if (!isObject(entry)) continue;
		const { name, type, description } = entry;
		if (typeof name !== "string" || typeof type !== "string") continue;
		if (/^(child|link)</.test(type)) continue;
		properties.push({
			name,
			type,
			description: typeof description === "string" ? description : undefined,
			defaultValue: entry["default-value"],
		});
	}
	return properties.sort((a, b) => (a.name < b.name ? -1 : 1));
}

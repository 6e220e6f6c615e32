/** QEMU's schema, from a running QEMU. */
import { CommandError } from "../errors.ts";
import type { Execute } from "./request.ts";
import { type QmpSchema, readSchema } from "./schema.ts";

/**
 * Asks QEMU for its schema: 200 kB, which take QEMU some 50 ms.
 *
 * @returns undefined if QEMU refuses, as one before 2.5 and one that is not negotiated do
 * @throws ProtocolError the reply is no schema; whatever `execute` throws
 */
export async function fetchSchema(
	execute: Execute,
): Promise<QmpSchema | undefined> {
	try {
		return readSchema(await execute("query-qmp-schema"));
	} catch (error) {
		if (error instanceof CommandError) return undefined;
		throw error;
	}
}

/** QEMU's schema, from a running QEMU. */
import { CommandError } from "../errors.ts";
import type { Execute } from "./request.ts";
import { type QmpSchema, readSchema } from "./schema.ts";

/**
 * Asks QEMU for its schema: 200 kB, for which QEMU needs some 50 ms.
 *
 * @returns undefined if QEMU refuses: it is older than 2.5, or `qmp_capabilities` was not sent
 * @throws ProtocolError the reply is not a schema; whatever `execute` throws
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

/** The form of a request, which QEMU checks before anything else (qapi/qmp-dispatch.c). */
import { isObject, type JsonObject } from "../json.ts";

/**
 * What is wrong with a request, in QEMU's words; undefined where nothing is.
 *
 * @param hasOob whether the client has negotiated out-of-band execution
 */
export function formError(
	request: JsonObject,
	hasOob: boolean,
): string | undefined {
	for (const [name, value] of Object.entries(request)) {
		const isCommand = name === "execute" || (name === "exec-oob" && hasOob);
		if (isCommand && typeof value !== "string")
			return `QMP input member '${name}' must be a string`;
		if (name === "arguments" && !isObject(value))
			return "QMP input member 'arguments' must be an object";
		if (!isCommand && name !== "arguments" && name !== "id")
			return `QMP input member '${name}' is unexpected`;
	}
	const { execute, "exec-oob": oob } = request;
	if (execute !== undefined && oob !== undefined)
		return "QMP input member 'execute' clashes with 'exec-oob'";
	return execute === undefined && oob === undefined
		? "QMP input lacks member 'execute'"
		: undefined;
}

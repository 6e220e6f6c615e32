/** A machine that answers what completion asks: the small schema, and a few fixed replies. */
import { CommandError } from "../../src/errors.ts";
import type { Json, JsonObject } from "../../src/json.ts";
import { readSchema } from "../../src/schema/schema.ts";
import { smallSchema } from "./smallSchema.ts";

const schema = readSchema(smallSchema);

const answers: Readonly<Record<string, Json>> = {
	'qom-list {"path":"/"}': [
		{ name: "machine", type: "child<container>" },
		{ name: "objects", type: "child<container>" },
		{ name: "type", type: "string" },
	],
	'qom-list {"path":"/machine"}': [
		{ name: "type", type: "string" },
		{ name: "a b", type: "child<x>" },
		{ name: "bus", type: "link<bus>" },
	],
	'qom-list {"path":"/objects"}': [{ name: "io0", type: "child<iothread>" }],
	'qom-list-types {"implements":"device","abstract":false}': [
		{ name: "usb-kbd" },
		{ name: "usb-mouse" },
	],
	'human-monitor-command {"command-line":"help"}':
		"info [subcommand] -- show\r\nstop|s  -- stop\r\ncont|c -- go\r\n",
	'human-monitor-command {"command-line":"help info"}':
		"info balloon -- show balloon\r\ninfo block [-n] -- blocks\r\n",
};

/** Refuses every command that has no reply here. */
export const answeringMachine = {
	schema: async () => schema,
	async execute(command: string, args: JsonObject = {}): Promise<Json> {
		const answer = answers[`${command} ${JSON.stringify(args)}`];
		if (answer !== undefined) return answer;
		throw new CommandError(command, "GenericError", "no");
	},
};

/** The actions of the command `transaction`, which have arguments as commands have. */
import type { QmpSchema } from "./schema.ts";
import { membersOf, type ObjectType } from "./types.ts";

/** The arguments of each action, by its type. */
export function actionTypes(
	schema: QmpSchema,
): ReadonlyMap<string, ObjectType> {
	const actions = schema
		.argumentsOf("transaction")
		?.members.find(({ name }) => name === "actions")?.type;
	const action = actions?.kind === "array" ? actions.element : undefined;
	if (action?.kind !== "object") return new Map();
	return new Map(
		[...action.variants].flatMap(([type, variant]) => {
			const [data] = membersOf(variant(), () => undefined);
			return data?.type.kind === "object" ? [[type, data.type] as const] : [];
		}),
	);
}

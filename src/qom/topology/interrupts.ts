/** Which device's interrupt leads where, as far as links tell it. */
import { isCanonicalPath, type QomPath, splitPath } from "../path.ts";
import type { QomSource } from "../source.ts";
import { parseType } from "../types.ts";
import { type SurveyedObject, survey, valueIn } from "./survey.ts";

export interface Interrupt {
	/** The device that raises it. */
	readonly from: QomPath;
	/** Its output, such as `sysbus-irq[0]`. */
	readonly output: string;
	/** The device that it leads to. */
	readonly to: QomPath;
	/** Its input, such as `unnamed-gpio-in[4]`. */
	readonly input: string;
}

/** All lines that lead somewhere. */
export async function interruptsOf(
	source: QomSource,
	objects?: ReadonlyMap<QomPath, SurveyedObject>,
): Promise<readonly Interrupt[]> {
	const surveyed = objects ?? (await survey(source));
	const found: Interrupt[] = [];
	for (const object of surveyed.values())
		for (const { name, type } of object.contents?.properties ?? []) {
			const parsed = parseType(type);
			if (parsed.kind !== "link" || parsed.type !== "irq") continue;
			const target = await valueIn(source, object, name);
			if (typeof target !== "string" || !isCanonicalPath(target)) continue;
			const [to, input] = splitPath(target);
			found.push({ from: object.path, output: name, to, input });
		}
	return found;
}

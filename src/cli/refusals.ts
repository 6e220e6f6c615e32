/** Several names on one command line: one that is refused does not keep the others from their turn. */
import { MountError, NoMatchError, QomError, ValueError } from "../errors.ts";

/** Why a name was refused. */
export type Refused = QomError | NoMatchError | ValueError | MountError;

/** Acts for each, one after the other, and gives back what was refused. */
export async function refusalsOf<Item>(
	items: Iterable<Item>,
	act: (item: Item) => Promise<void>,
): Promise<readonly Refused[]> {
	const refused: Refused[] = [];
	for (const item of items)
		try {
			await act(item);
		} catch (error) {
			if (!isRefused(error)) throw error;
			refused.push(error);
		}
	return refused;
}

function isRefused(error: unknown): error is Refused {
	return [QomError, NoMatchError, ValueError, MountError].some(
		(kind) => error instanceof kind,
	);
}

/** @throws Refused the only one; AggregateError all of them */
export function throwRefusals(refused: readonly Refused[]): void {
	if (refused.length > 1) throw new AggregateError(refused);
	if (refused[0]) throw refused[0];
}

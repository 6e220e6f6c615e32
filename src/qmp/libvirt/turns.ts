/** Every connection to libvirt starts programs: of many at once none would be ready in time. */
import { availableParallelism } from "node:os";

const mostAtOnce = Math.max(4, availableParallelism());

let underWay = 0;
const waiting: (() => void)[] = [];

/** Runs it when few others run, in the order in which they were asked for. */
export async function takeTurn<T>(work: () => Promise<T>): Promise<T> {
	if (underWay >= mostAtOnce)
		await new Promise<void>((resolve) => waiting.push(resolve));
	else underWay++;
	try {
		return await work();
	} finally {
		// Whoever is next takes this place.
		const next = waiting.shift();
		if (next) next();
		else underWay--;
	}
}

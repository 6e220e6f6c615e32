/**
 * Does something with each of many, several at a time, and gives the results in their order. Where
 * QEMU is far away its answers are not waited for one by one.
 *
 * @param most how many at a time
 */
export async function* inOrder<Item, Result>(
	items: Iterable<Item> | AsyncIterable<Item>,
	most: number,
	act: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
	const underWay: Promise<Result>[] = [];
	for await (const item of items) {
		const result = act(item);
		result.catch(() => {}); // it is awaited in its turn
		underWay.push(result);
		if (underWay.length >= most) yield (await underWay.shift()) as Result;
	}
	for (const result of underWay) yield await result;
}

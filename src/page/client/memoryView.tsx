/** The memory map: each region as a bar where it lies in the one that was chosen, to go into and out of. */
import { useMemo, useState } from "preact/hooks";
import type { RegionEntry } from "../data.ts";
import { hrefOf, otherForms } from "./model.ts";
import { VirtualList } from "./virtualList.tsx";

interface Region {
	readonly index: number;
	readonly path: string;
	readonly start: bigint;
	readonly size: bigint;
	readonly depth: number;
	readonly overlaps: number;
	/** Where the regions in it end in the list. */
	readonly end: number;
}

export function MemoryView({
	memory,
}: {
	readonly memory: readonly RegionEntry[];
}) {
	const regions = useMemo(() => regionsOf(memory), [memory]);
	const [chosen, setChosen] = useState<number | undefined>(undefined);
	const top = chosen === undefined ? undefined : regions[chosen];
	const shown = top ? regions.slice(top.index, top.end) : regions;
	const outer = top && outerOf(regions, top);
	return (
		<section class="memory">
			<p class="tools">
				<button
					type="button"
					disabled={!top}
					onClick={() => setChosen(outer?.index)}
				>
					Zoom out
				</button>
				<span class="caption">
					{top
						? top.path
						: "All address spaces; zoom into a region to see where those in it lie."}
				</span>
			</p>
			<VirtualList
				role="list"
				label="Memory regions"
				count={shown.length}
				row={(index) => {
					const region = shown[index];
					if (!region) return null;
					const space = top ?? spaceOf(regions, region);
					return (
						// biome-ignore lint/a11y/useSemanticElements: between it and the list is its place
						<div role="listitem" class="row region">
							<code>
								{address(region.start)}
								<span class="end">-{address(endOf(region))}</span>
							</code>
							<span class="bar" aria-hidden="true">
								<span style={placeIn(space, region)} />
							</span>
							<span class="size">{sizeText(region.size)}</span>
							<a
								title={region.path}
								href={hrefOf(region.path)}
								style={{
									paddingInlineStart: `${(region.depth - (top?.depth ?? 0)) * 10}px`,
								}}
							>
								<bdi class="above">{aboveOf(region.path)}</bdi>
								<bdi class="last">{lastOf(region.path)}</bdi>
							</a>
							{region.overlaps > 0 && (
								<span class="type">overlaps {region.overlaps}</span>
							)}
							{region.end > region.index + 1 && region !== top && (
								<button
									type="button"
									aria-label={`Zoom into ${region.path}`}
									onClick={() => setChosen(region.index)}
								>
									⊕
								</button>
							)}
						</div>
					);
				}}
			/>
		</section>
	);
}

function regionsOf(memory: readonly RegionEntry[]): readonly Region[] {
	return memory.map(([path, start, size, depth, overlaps], index) => {
		let end = index + 1;
		while ((memory[end]?.[3] ?? -1) > depth) end++;
		return {
			...{ index, path, depth, overlaps, end },
			start: BigInt(start),
			size: BigInt(size),
		};
	});
}

function spaceOf(regions: readonly Region[], region: Region): Region {
	for (let at = region.index; at >= 0; at--) {
		const each = regions[at];
		if (each?.depth === 0) return each;
	}
	return region;
}

function outerOf(
	regions: readonly Region[],
	region: Region,
): Region | undefined {
	for (let at = region.index - 1; at >= 0; at--) {
		const each = regions[at];
		if (each && each.depth === region.depth - 1) return each;
	}
	return undefined;
}

function placeIn(space: Region, { start, size }: Region) {
	const share = (part: bigint) =>
		space.size === 0n ? 0 : Number((part * 10_000n) / space.size) / 100;
	return {
		marginInlineStart: `${Math.max(0, Math.min(99, share(start - space.start)))}%`,
		width: `${Math.max(1, Math.min(100, share(size)))}%`,
	};
}

function endOf({ start, size }: Region): bigint {
	return size === 0n ? start : start + size - 1n;
}

function address(number: bigint): string {
	return number.toString(16).padStart(16, "0");
}

/** The end of a path tells more than its beginning, and is never cut. */
function lastOf(path: string): string {
	return path.slice(path.lastIndexOf("/") + 1);
}

function aboveOf(path: string): string {
	return path.slice(0, path.lastIndexOf("/") + 1);
}

function sizeText(size: bigint): string {
	return otherForms(`${size}`).split(", ")[1] ?? `${size} B`;
}

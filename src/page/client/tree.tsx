/** The tree of objects, to fold and to go through by keys. */
import { useMemo } from "preact/hooks";
import type { MachineObject, Model } from "./model.ts";
import { VirtualList } from "./virtualList.tsx";

interface TreeProps {
	readonly model: Model;
	readonly selected: string;
	readonly open: ReadonlySet<string>;
	readonly onOpen: (path: string, isOpen: boolean) => void;
	readonly onSelect: (path: string, how: "visit" | "pass") => void;
}

interface Row {
	readonly object: MachineObject;
	readonly level: number;
	/** Among those beside it, from 1 on. */
	readonly position: number;
}

function rowsOf(
	root: MachineObject,
	open: ReadonlySet<string>,
): readonly Row[] {
	const rows: Row[] = [];
	const add = (object: MachineObject, level: number, position: number) => {
		rows.push({ object, level, position });
		if (open.has(object.path))
			for (const [index, child] of object.children.entries())
				add(child, level + 1, index + 1);
	};
	add(root, 1, 1);
	return rows;
}

export function Tree({ model, selected, open, onOpen, onSelect }: TreeProps) {
	const rows = useMemo(() => rowsOf(model.root, open), [model, open]);
	const current = rows.findIndex(({ object }) => object.path === selected);
	const onKeyDown = (event: KeyboardEvent) => {
		const target = keyTarget(event.key, rows, current, open, onOpen);
		if (target === undefined) return;
		event.preventDefault();
		if (target !== selected) onSelect(target, "pass");
	};
	return (
		<VirtualList
			role="tree"
			label="Objects"
			count={rows.length}
			current={current}
			activeId={current >= 0 ? `row-${current}` : undefined}
			onKeyDown={onKeyDown}
			row={(index) => {
				const row = rows[index];
				if (!row) return null;
				const { object, level, position } = row;
				const { path, name, type, children, parent } = object;
				const hasChildren = children.length > 0;
				const isOpen = open.has(path);
				return (
					<div
						id={`row-${index}`}
						role="treeitem"
						tabIndex={-1}
						class="row"
						aria-level={level}
						aria-posinset={position}
						aria-setsize={parent?.children.length ?? 1}
						aria-selected={path === selected}
						aria-expanded={hasChildren ? isOpen : undefined}
						style={{ paddingInlineStart: `${(level - 1) * 14 + 4}px` }}
						onClick={() => onSelect(path, "visit")}
						onKeyDown={() => {}}
					>
						<span
							class="fold"
							aria-hidden="true"
							onClick={(event) => {
								event.stopPropagation();
								if (hasChildren) onOpen(path, !isOpen);
							}}
						>
							{hasChildren ? (isOpen ? "▾" : "▸") : ""}
						</span>
						<bdi class="name">{name || "/"}</bdi>
						<bdi class="type">{type}</bdi>
					</div>
				);
			}}
		/>
	);
}

/** Where a key leads, by the pattern of WAI-ARIA for trees; undefined for other keys. */
function keyTarget(
	key: string,
	rows: readonly Row[],
	current: number,
	open: ReadonlySet<string>,
	onOpen: TreeProps["onOpen"],
): string | undefined {
	const at = (index: number) =>
		rows[Math.max(0, Math.min(rows.length - 1, index))]?.object.path;
	const object = rows[current]?.object;
	if (!object) return /^(Arrow|Home|End)/.test(key) ? at(0) : undefined;
	const { path, children, parent } = object;
	switch (key) {
		case "ArrowDown":
			return at(current + 1);
		case "ArrowUp":
			return at(current - 1);
		case "PageDown":
			return at(current + 15);
		case "PageUp":
			return at(current - 15);
		case "Home":
			return at(0);
		case "End":
			return at(rows.length - 1);
		case "ArrowRight":
			if (children.length === 0) return path;
			if (open.has(path)) return at(current + 1);
			onOpen(path, true);
			return path;
		case "ArrowLeft":
			if (children.length === 0 || !open.has(path)) return parent?.path ?? path;
			onOpen(path, false);
			return path;
		case "Enter":
		case " ":
			if (children.length > 0) onOpen(path, !open.has(path));
			return path;
		default:
			return undefined;
	}
}

/** What a search has found, by objects and properties. */
import { useState } from "preact/hooks";
import type { Hit } from "./model.ts";
import { VirtualList } from "./virtualList.tsx";

interface SearchViewProps {
	readonly hits: readonly Hit[];
	readonly onSelect: (path: string) => void;
}

/** So much of a value is shown. */
const longest = 200;

export function SearchView({ hits, onSelect }: SearchViewProps) {
	const [current, setCurrent] = useState(0);
	const at = Math.min(current, hits.length - 1);
	const onKeyDown = (event: KeyboardEvent) => {
		const steps: Readonly<Record<string, number>> = {
			ArrowDown: 1,
			ArrowUp: -1,
			PageDown: 15,
			PageUp: -15,
			Home: -hits.length,
			End: hits.length,
		};
		const step = steps[event.key];
		const path = hits[at]?.object.path;
		if (step !== undefined)
			setCurrent(Math.max(0, Math.min(hits.length - 1, at + step)));
		else if (event.key === "Enter" && path !== undefined) onSelect(path);
		else return;
		event.preventDefault();
	};
	return (
		<>
			<p role="status" class="count">
				{hits.length} found
			</p>
			<VirtualList
				role="listbox"
				label="Found"
				count={hits.length}
				current={at}
				activeId={hits.length > 0 ? `hit-${at}` : undefined}
				onKeyDown={onKeyDown}
				row={(index) => {
					const hit = hits[index];
					if (!hit) return null;
					const { object, property } = hit;
					return (
						<div
							id={`hit-${index}`}
							role="option"
							tabIndex={-1}
							aria-selected={index === at}
							aria-posinset={index + 1}
							aria-setsize={hits.length}
							class="row"
							onClick={() => onSelect(object.path)}
							onKeyDown={() => {}}
						>
							<bdi class="name">
								{object.path}
								{property && `.${property.name}`}
							</bdi>
							<bdi class="type">
								{property ? property.text.slice(0, longest) : object.type}
							</bdi>
						</div>
					);
				}}
			/>
		</>
	);
}

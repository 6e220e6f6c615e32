/** One object: where it is, what it holds, and how its values differ from the defaults. */
import { useEffect, useRef, useState } from "preact/hooks";
import { CopyButtons } from "./copy.tsx";
import type { Live } from "./live.ts";
import {
	hrefOf,
	type MachineObject,
	type Model,
	type Property,
} from "./model.ts";
import { Value } from "./value.tsx";

interface ObjectViewProps {
	readonly model: Model;
	readonly object: MachineObject;
	readonly source: string;
	readonly live: Live | undefined;
}

export function ObjectView({ model, object, source, live }: ObjectViewProps) {
	const [onlyChanged, setOnlyChanged] = useState(false);
	const properties = live?.valuesOf(object) ?? object.properties;
	const shown = properties.filter(
		(property) =>
			property.kind !== "child" &&
			(!onlyChanged || changedDefault(model, object, property) !== undefined),
	);
	const body = useRef<HTMLTableSectionElement>(null);
	const names = shown.map(({ name }) => name).join("/");
	useEffect(
		() => live && keepInSight(live, object, body.current),
		[live, object, names],
	);
	return (
		<section class="object" aria-labelledby="object-title">
			<Breadcrumbs object={object} />
			<h2 id="object-title">
				<bdi>{object.name || "/"}</bdi> <bdi class="type">{object.type}</bdi>
			</h2>
			<CopyButtons
				texts={{
					path: object.path,
					command: `qom-list -s ${quoted(source)} ${quoted(object.path)}`,
					file: `.${object.path}`,
				}}
			/>
			{object.children.length > 0 && (
				<p class="children">
					<span class="caption">Children: </span>
					{object.children.map(({ path, name }) => (
						<>
							<a key={path} href={hrefOf(path)}>
								<bdi>{name}</bdi>
							</a>{" "}
						</>
					))}
				</p>
			)}
			<label class="filter">
				<input
					type="checkbox"
					checked={onlyChanged}
					onChange={(event) => setOnlyChanged(event.currentTarget.checked)}
				/>{" "}
				only what is not the default
			</label>
			<div class="table">
				<table>
					<thead>
						<tr>
							<th scope="col">Property</th>
							<th scope="col">Value</th>
							<th scope="col">Type</th>
							<th scope="col">Description</th>
						</tr>
					</thead>
					<tbody ref={body}>
						{shown.map((property) => (
							<PropertyRow
								key={property.name}
								{...{ model, object, property, source, live }}
							/>
						))}
					</tbody>
				</table>
			</div>
			{shown.length === 0 && <p class="empty">Nothing to show.</p>}
		</section>
	);
}

/** Only what can be seen is asked for again and again. Returns its end. */
function keepInSight(
	live: Live,
	object: MachineObject,
	body: HTMLTableSectionElement | null,
): (() => void) | undefined {
	if (!body) return undefined;
	const inSight = new Set<string>();
	const observer = new IntersectionObserver((entries) => {
		for (const { target, isIntersecting } of entries) {
			const name = (target as HTMLElement).dataset.name ?? "";
			if (isIntersecting) inSight.add(name);
			else inSight.delete(name);
		}
		live.look(object, [...inSight]);
	});
	for (const row of body.rows) observer.observe(row);
	live.look(object, []);
	return () => {
		observer.disconnect();
		live.lookAway();
	};
}

function Breadcrumbs({ object }: { readonly object: MachineObject }) {
	const trail: MachineObject[] = [];
	for (let each = object.parent; each; each = each.parent) trail.unshift(each);
	return (
		<nav aria-label="Path" class="trail">
			{trail.map(({ path, name }) => (
				<>
					<a key={path} href={hrefOf(path)}>
						<bdi>{name || "/"}</bdi>
					</a>
					<span aria-hidden="true"> › </span>
				</>
			))}
			<bdi aria-current="page">{object.name || "/"}</bdi>
		</nav>
	);
}

/** The default that a value differs from; undefined where it does not, or none is known. */
function changedDefault(
	model: Model,
	{ type }: MachineObject,
	{ name, kind, text }: Property,
): string | undefined {
	const { defaultText } = model.describe(type, name);
	const isCompared = kind !== "refused" && kind !== "secret" && kind !== "link";
	return isCompared && defaultText !== null && defaultText !== text
		? defaultText
		: undefined;
}

interface PropertyRowProps extends ObjectViewProps {
	readonly property: Property;
}

function PropertyRow(props: PropertyRowProps) {
	const { model, object, property, source, live } = props;
	const { name, type, kind } = property;
	const { description } = model.describe(object.type, name);
	const original = changedDefault(model, object, property);
	const isFlashing = live?.hasJustChanged(object.path, name) ?? false;
	return (
		<tr data-name={name} class={isFlashing ? "flash" : ""}>
			<th scope="row">
				<bdi>{name}</bdi>
				<CopyButtons
					isSmall
					texts={{
						path: `${object.path}.${name}`,
						command: `qom-get -s ${quoted(source)} ${quoted(`${object.path}.${name}`)}`,
						file: `.${object.path === "/" ? "" : object.path}/${name}`,
					}}
				/>
			</th>
			<td class={`value ${kind}`}>
				<Value {...{ property, object, live }} />
				{original !== undefined && (
					<span class="changed" title={`The default is ${original}`}>
						<span aria-hidden="true"> ●</span>
						<span class="spoken"> not the default, which is {original}</span>
					</span>
				)}
			</td>
			<td class="type">
				<bdi>{type}</bdi>
			</td>
			<td>
				<bdi>{description}</bdi>
			</td>
		</tr>
	);
}

/** For a POSIX shell. */
function quoted(word: string): string {
	return /^[\w@%+=:,./-]+$/.test(word)
		? word
		: `'${word.replaceAll("'", "'\\''")}'`;
}

import { h as create, type ComponentChildren, type ComponentType, type JSX, type Key, type VNode } from "preact";

type Tag = keyof JSX.IntrinsicElements;

/** Makes an element or a component, as preact's `h`, whose own types demand children among the properties. */
export function h<T extends Tag>(
  type: T,
  props: (JSX.IntrinsicElements[T] & { readonly key?: Key }) | null,
  ...children: ComponentChildren[]
): VNode;
export function h<P extends object>(
  type: ComponentType<P>,
  props: (Omit<P, "children"> & { readonly key?: Key }) | null,
  ...children: ComponentChildren[]
): VNode;
export function h(type: string | ComponentType, props: object | null, ...children: ComponentChildren[]): VNode {
  return create(type as ComponentType, props, ...children);
}

// What main.ts asks of a view.
import {Store} from "./api";

export interface View {
  readonly id: string;
  readonly title: string;
  readonly root: HTMLElement;
  // The view is in sight, and there is something new, or another moment.
  update(store: Store): void | Promise<void>;
}

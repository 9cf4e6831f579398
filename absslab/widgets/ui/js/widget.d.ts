// The interface of anywidget.

/** The model of a widget, as anywidget hands it over. */
export interface Model {
  get(name: string): any;
  on(event: string, callback: (...args: any[]) => void): void;
  off(event: string, callback: (...args: any[]) => void): void;
  send(content: object, callbacks?: undefined, buffers?: ArrayBuffer[]): void;
}

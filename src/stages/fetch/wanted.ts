import { type Module, type ResourceRequest, type Template, template } from "../../api.ts";
import type { Settings } from "../../settings.ts";

/** One resource some module wants, with the settings' say in it. */
export interface Wanted {
  readonly module: Module;
  readonly name: string;
  readonly template: Template;
  readonly size: ResourceRequest["size"];
  readonly isImage: boolean;
}

/** The modules' own resources in their order, with other URIs where `config resource` gives them, then those it adds. */
export function wantedResources(settings: Settings, modules: readonly Module[]): readonly Wanted[] {
  return modules.flatMap((module) => {
    const own = Object.entries(module.resources ?? {}).flatMap(([name, request]): Wanted[] => {
      const setting = settings.resources.find((one) => one.name === name);
      if (setting?.isEnabled === false) return [];
      const { size, isImage = false } = request;
      return [{ module, name, template: template(setting?.uri ?? request.uri), size, isImage }];
    });
    const added = settings.resources.flatMap((setting): Wanted[] => {
      if (setting.module !== module.name || !setting.isEnabled || setting.uri === undefined) return [];
      if (setting.name in (module.resources ?? {})) return [];
      return [{ module, name: setting.name, template: template(setting.uri), ...likeTheFirst(module) }];
    });
    return [...own, ...added];
  });
}

/** MANIFEST and its signature. */
const MANIFEST_REQUESTS = 2;

/** What a first run asks a server for, or more: counted before any of it is looked at. */
export function mostRequests({ resources }: Settings, modules: readonly Module[]): number {
  return modules.reduce(
    (sum, module) => sum + Object.keys(module.resources ?? {}).length,
    resources.length + MANIFEST_REQUESTS,
  );
}

/** What settings add to a module is of the kind that its own first resource is. */
function likeTheFirst(module: Module): Pick<Wanted, "size" | "isImage"> {
  const { size = "small", isImage = false } = Object.values(module.resources ?? {})[0] ?? {};
  return { size, isImage };
}

using System.Management.Automation;
using System.Runtime.Loader;

namespace VmMigration.Cmdlets;

/// <summary>Points the runtime at the engine when the module is imported, and closes the session's hosts when it is removed.</summary>
public sealed class ModuleLifetime : IModuleAssemblyInitializer, IModuleAssemblyCleanup
{
    private static readonly Lock Gate = new();
    private static EngineLoadContext? engineContext;

    /// <summary>Called by PowerShell after it loaded the assembly and before it looks at the cmdlets.</summary>
    public void OnImport()
    {
        RegisterEngineContext();
        ImportingRunspaces.Add();
    }

    /// <summary>
    /// Called by PowerShell when the module is removed from a session, also before <c>Import-Module -Force</c> imports it again.
    /// </summary>
    /// <param name="psModuleInfo">The module.</param>
    public void OnRemove(PSModuleInfo psModuleInfo) => ImportingRunspaces.Remove();

    // The context stays for the life of the process: a loaded assembly never unloads, and a second import must meet the same types.
    private static void RegisterEngineContext()
    {
        lock (Gate)
        {
            if (engineContext is not null) return;
            string directory = Path.GetDirectoryName(typeof(ModuleLifetime).Assembly.Location)!;
            engineContext = EngineLoadContext.TryCreate(Path.Combine(directory, "Dependencies"));
            if (engineContext is not null) AssemblyLoadContext.Default.Resolving += engineContext.Resolve;
        }
    }
}

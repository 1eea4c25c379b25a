using System.Reflection;
using System.Runtime.Loader;

namespace VmMigration.Cmdlets;

/// <summary>
/// Holds the engine and its packages, so that copies of the same packages in other modules do not clash with them. What is not in its
/// directory comes from the default context.
/// </summary>
internal sealed class EngineLoadContext : AssemblyLoadContext
{
    public const string ContextName = "VmMigration";
    public const string EngineAssemblyName = "VmMigration.Engine";

    private readonly string directory;
    private readonly AssemblyDependencyResolver resolver;

    private EngineLoadContext(string directory, string enginePath) : base(ContextName)
    {
        this.directory = directory;
        resolver = new(enginePath);
    }

    /// <summary>Makes the context for a directory; null where the engine is not in it, because it lies beside the cmdlets.</summary>
    public static EngineLoadContext? TryCreate(string directory)
    {
        string enginePath = Path.Combine(directory, EngineAssemblyName + ".dll");
        return File.Exists(enginePath) ? new(directory, enginePath) : null;
    }

    /// <summary>Answers the default context's question for the engine, and for nothing else.</summary>
    public Assembly? Resolve(AssemblyLoadContext asking, AssemblyName name) =>
        name.Name == EngineAssemblyName ? LoadFromAssemblyName(name) : null;

    protected override Assembly? Load(AssemblyName assemblyName)
    {
        // Only what is there: asking the default context for a missing file would come back here without end.
        string path = Path.Combine(directory, assemblyName.Name + ".dll");
        return File.Exists(path) ? LoadFromAssemblyPath(path) : null;
    }

    protected override nint LoadUnmanagedDll(string unmanagedDllName)
    {
        string? path = resolver.ResolveUnmanagedDllToPath(unmanagedDllName);
        return path is not null && File.Exists(path) ? LoadUnmanagedDllFromPath(path) : 0;
    }
}

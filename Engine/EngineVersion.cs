using System.Reflection;

namespace VmMigration.Engine;

/// <summary>The version of the program that this is.</summary>
public static class EngineVersion
{
    /// <summary>Major, minor and patch, as in <c>1.2.3</c>: those of the module.</summary>
    public static string Present { get; } = Assembly.GetExecutingAssembly().GetName().Version!.ToString(3);
}

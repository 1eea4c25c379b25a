using System.Reflection;

namespace VmMigration.Cmdlets.Tests.Hosting;

/// <summary>Where the build put what the tests run.</summary>
public static class BuildOutput
{
    public static string ModuleDirectory => Metadata("ModuleDirectory");

    public static string ManifestPath => Path.Combine(ModuleDirectory, "VmMigration.psd1");

    public static string ModuleHostPath => Metadata("ModuleHostPath");

    public static string RunnerPath => Metadata("RunnerPath");

    public static string ExamplesDirectory => Metadata("ExamplesDirectory");

    public static string Version => Metadata("Version");

    private static string Metadata(string key) => typeof(BuildOutput).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(attribute => attribute.Key == key).Value!;
}

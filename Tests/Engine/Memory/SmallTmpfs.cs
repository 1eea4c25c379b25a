using System.Diagnostics;
using Xunit;

namespace VmMigration.Engine.Tests.Memory;

/// <summary>A memory file system of limited size, unmounted with the test.</summary>
internal sealed class SmallTmpfs : IDisposable
{
    private readonly DirectoryInfo mountPoint = Directory.CreateTempSubdirectory("vmmigration-tmpfs-");

    public SmallTmpfs(long sizeBytes)
    {
        if (Environment.UserName != "root") Assert.Skip("Mounting a file system needs root.");
        Run("mount", "-t", "tmpfs", "-o", $"size={sizeBytes}", "tmpfs", mountPoint.FullName);
    }

    public string File(string name) => Path.Combine(mountPoint.FullName, name);

    public void Dispose()
    {
        Run("umount", mountPoint.FullName);
        mountPoint.Delete();
    }

    private static void Run(string command, params string[] arguments)
    {
        using Process process = Process.Start(command, arguments);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }
}

using System.Diagnostics;
using System.Globalization;
using Xunit;

namespace VmMigration.Engine.Tests.Disks;

/// <summary>Images made and compared by the distribution's qemu-img and qemu-io, in a directory that goes with the test.</summary>
internal sealed class QemuImages : IDisposable
{
    private readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("vmm-images-");

    public string PathOf(string name) => Path.Combine(directory.FullName, name);

    /// <summary>Makes a raw file: of each four chunks of 64 KiB two hold data, one zeros and one nothing.</summary>
    public string MakeRaw(string name, long sizeBytes, int seed = 1)
    {
        const int ChunkBytes = 64 << 10;
        var random = new Random(seed);
        byte[] chunk = new byte[ChunkBytes];
        string path = PathOf(name);
        using FileStream file = File.Create(path);
        file.SetLength(sizeBytes);
        for (long offset = 0, index = 0; offset < sizeBytes; offset += ChunkBytes, index++)
        {
            if (index % 4 == 3) continue;
            if (index % 4 == 2) Array.Clear(chunk);
            else random.NextBytes(chunk);
            file.Position = offset;
            file.Write(chunk, 0, (int)Math.Min(ChunkBytes, sizeBytes - offset));
        }

        return path;
    }

    /// <summary>Makes a qcow2 image of the contents of a raw file.</summary>
    public string MakeQcow2(string name, long sizeBytes, int seed = 1)
    {
        string raw = MakeRaw(name + ".raw", sizeBytes, seed);
        string path = PathOf(name);
        Run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, path);
        return path;
    }

    /// <summary>Makes an empty qcow2 image.</summary>
    public string MakeEmpty(string name, long sizeBytes, params string[] options)
    {
        string path = PathOf(name);
        Run("qemu-img", ["create", "-q", "-f", "qcow2", .. options, path, sizeBytes.ToString(CultureInfo.InvariantCulture)]);
        return path;
    }

    /// <summary>Asserts that two disks hold the same (qemu-img(1), compare).</summary>
    public static void AssertEqual(string path, string format, string other, string otherFormat) =>
        Run("qemu-img", "compare", "-f", format, "-F", otherFormat, path, other);

    /// <summary>Asserts that an image has neither damage nor leaks.</summary>
    public static void AssertSound(string path) => Run("qemu-img", "check", "-q", "-f", "qcow2", path);

    public static void Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        Task<string> errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: {output}{errors.GetAwaiter().GetResult()}");
    }

    public void Dispose() => directory.Delete(recursive: true);
}

using System.Globalization;
using System.Text.RegularExpressions;
using VmMigration.Engine.Hypervisors;

namespace VmMigration.Functional.Tests.Qemu;

/// <summary>Follows what a demo guest prints.</summary>
internal sealed partial class GuestConsole(string serialLogPath)
{
    private static readonly TimeSpan TimeLimit = TimeSpan.FromSeconds(90);

    public GuestConsole(IVirtualMachine machine)
        : this(machine.Instance.SerialLogPath!)
    {
    }

    /// <summary>Number of the last complete tick; 0 before the first.</summary>
    public int LastTick()
    {
        Match? last = Tick().Matches(ReadAll()).LastOrDefault();
        return last is null ? 0 : int.Parse(last.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
    }

    /// <summary>Waits until the guest has counted this far.</summary>
    public async Task WaitForTickAsync(int number, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(TimeLimit);
        while (LastTick() < number)
        {
            try
            {
                await Task.Delay(20, limit.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw new TimeoutException(
                    $"The guest did not come to tick {number} in {TimeLimit.TotalSeconds} s. It printed:\n{ReadAll()}");
            }
        }
    }

    private string ReadAll()
    {
        if (!File.Exists(serialLogPath)) return "";
        using var file = new FileStream(serialLogPath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var reader = new StreamReader(file);
        return reader.ReadToEnd();
    }

    [GeneratedRegex(@"^tick (\d+) [\d.]+\r?\n", RegexOptions.Multiline)]
    private static partial Regex Tick();
}

using System.Management.Automation;
using VmMigration.Cmdlets.Tests.Hosting;

namespace VmMigration.Cmdlets.Tests;

public sealed class WaitMigrationVmTests
{
    private static CancellationToken TestCancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Lines_are_given_once_and_whole()
    {
        using var file = new TemporaryFile("one\r\ntwo\nthr", ".log");
        using var reader = new SerialConsoleReader(file.Path, fromEnd: false);
        Assert.Equal(["one", "two"], await reader.ReadNewAsync(TestCancelled));
        await File.AppendAllTextAsync(file.Path, "ee\nfour é\n", TestCancelled);
        Assert.Equal(["three", "four é"], await reader.ReadNewAsync(TestCancelled));
        Assert.Empty(await reader.ReadNewAsync(TestCancelled));
    }

    [Fact]
    public async Task A_prompt_without_an_end_is_given_once_it_stands_still()
    {
        using var file = new TemporaryFile("login: ", ".log");
        using var reader = new SerialConsoleReader(file.Path, fromEnd: false);
        Assert.Empty(await reader.ReadNewAsync(TestCancelled));
        Assert.Equal(["login: "], await reader.ReadNewAsync(TestCancelled));
        Assert.Empty(await reader.ReadNewAsync(TestCancelled));
        await File.AppendAllTextAsync(file.Path, "root\n", TestCancelled);
        Assert.Equal(["login: root"], await reader.ReadNewAsync(TestCancelled));
    }

    [Fact]
    public async Task From_the_end_only_what_is_new_counts()
    {
        using var file = new TemporaryFile("old\n", ".log");
        using var reader = new SerialConsoleReader(file.Path, fromEnd: true);
        Assert.Empty(await reader.ReadNewAsync(TestCancelled));
        await File.AppendAllTextAsync(file.Path, "new\n", TestCancelled);
        Assert.Equal(["new"], await reader.ReadNewAsync(TestCancelled));
    }

    [Fact]
    public async Task Text_cut_in_the_middle_of_a_character_is_put_together()
    {
        using var file = new TemporaryFile("", ".log");
        using var reader = new SerialConsoleReader(file.Path, fromEnd: false);
        await File.WriteAllBytesAsync(file.Path, [(byte)'a', 0xC3], TestCancelled);
        Assert.Empty(await reader.ReadNewAsync(TestCancelled));
        await File.AppendAllBytesAsync(file.Path, [0xA9, (byte)'\n'], TestCancelled);
        Assert.Equal(["aé"], await reader.ReadNewAsync(TestCancelled));
    }

    [Fact]
    public void A_VM_without_a_serial_console_is_an_error_that_says_so()
    {
        using ModuleSession session = ModuleSession.WithRunningVm();
        ErrorRecord error = session.RunFailing("Wait-MigrationVm $vm -ConsoleLine x -Timeout 1");
        Assert.StartsWith("InvalidState,", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Contains("no serial console", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_regular_expression_is_refused()
    {
        using ModuleSession session = ModuleSession.WithRunningVm();
        ErrorRecord error = session.RunFailing("Wait-MigrationVm $vm -ConsoleLine '('");
        Assert.StartsWith("InvalidArgument,", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Contains("backslash", error.ErrorDetails.RecommendedAction, StringComparison.Ordinal);
    }
}
